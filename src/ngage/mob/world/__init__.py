"""What is around the crowd: servers, proxies, faults, the publisher, Python fans."""
