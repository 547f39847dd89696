"""Contract tests of ports: one class per port, run by every adapter's own test module."""
