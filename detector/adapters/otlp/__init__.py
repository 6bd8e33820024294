"""OpenTelemetry's protocol, in JSON and protobuf."""
