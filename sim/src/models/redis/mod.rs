//! A model of Redis.
