//! An operator, or an API server, that is not there when it is needed.
