package main

import "net/url"

// urls parses one address into the list that etcd's configuration takes.
func urls(address string) ([]url.URL, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return []url.URL{*parsed}, nil
}
