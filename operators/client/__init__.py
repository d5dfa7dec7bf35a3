"""Who sent a request: browser, system, device and screen from its headers, and how that fills a row."""
