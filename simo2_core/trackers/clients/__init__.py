"""What speaks to a service through its own client, which takes seconds to import."""
