"""What the fake forges share: a published API description that both sides are held to, faults, and a real server."""
