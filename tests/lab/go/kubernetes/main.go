// Command kubernetes is every program of a Kubernetes cluster in one binary:
// the first argument names the program, the rest are its own arguments. One
// binary links the shared code once, which is what makes building it bearable.
//
// Only the command that was asked for is constructed: several constructors
// install the process's signal handler, and a second one panics.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func etcdCommand() *cobra.Command {
	var directory, client, peer string
	command := &cobra.Command{
		Use:   "etcd",
		Short: "One etcd member that never syncs to disk: for throw-away clusters only",
		RunE: func(*cobra.Command, []string) error {
			config := embed.NewConfig()
			config.Dir, config.UnsafeNoFsync, config.LogLevel = directory, true, "warn"
			for _, listener := range []struct {
				address string
				set     func(string) error
			}{
				{client, func(a string) (err error) {
					config.ListenClientUrls, err = urls(a)
					config.AdvertiseClientUrls = config.ListenClientUrls
					return
				}},
				{peer, func(a string) (err error) {
					config.ListenPeerUrls, err = urls(a)
					config.AdvertisePeerUrls = config.ListenPeerUrls
					return
				}},
			} {
				if err := listener.set(listener.address); err != nil {
					return err
				}
			}
			config.InitialCluster = config.Name + "=" + peer
			server, err := embed.StartEtcd(config)
			if err != nil {
				return err
			}
			return <-server.Err()
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "where the data lives")
	command.Flags().StringVar(&client, "listen-client-url", "http://127.0.0.1:2379", "address for clients")
	command.Flags().StringVar(&peer, "listen-peer-url", "http://127.0.0.1:2380", "address for peers")
	return command
}

func command(name string) (*cobra.Command, error) {
	switch name {
	case "etcd":
		return etcdCommand(), nil
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand(), nil
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand(), nil
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand(), nil
	case "kube-proxy":
		return proxy.NewProxyCommand(), nil
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background()), nil
	case "kubectl":
		return kubectl.NewDefaultKubectlCommand(), nil
	case "provisioner":
		return provisionerCommand(), nil
	}
	return nil, fmt.Errorf("unknown program %q", name)
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes PROGRAM [ARGUMENTS]")
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	if name == "coredns" {
		dnsserver.Directives = []string{"bind", "errors", "kubernetes"}
		coremain.Run()
		return
	}
	selected, err := command(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(cli.Run(selected))
}
