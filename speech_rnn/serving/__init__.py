"""Recognisers as a server: HTTP, WebSockets and Wyoming over one set of worker threads."""
