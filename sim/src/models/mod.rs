//! Models of what runs in containers.

pub mod redis;
