"""Tests in a real Chromium. They run in a process of their own: `make browser`."""
