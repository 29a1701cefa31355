"""The epoll backend; nothing of it is for Python."""
