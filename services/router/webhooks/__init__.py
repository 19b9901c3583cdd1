"""Messages by HTTP, for tools that cannot speak Kafka (Standard Webhooks, https://www.standardwebhooks.com)."""
