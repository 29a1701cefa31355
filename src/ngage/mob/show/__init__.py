"""What people see: terminal, report, JUnit, Prometheus."""
