"""What the SDKs of Guance and Datadog share: both descend from one."""
