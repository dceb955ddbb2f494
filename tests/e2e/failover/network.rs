//! Pods that do not reach each other.
