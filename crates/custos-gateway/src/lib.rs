//! HTTP, and the only place that knows a wire format or a status code.
