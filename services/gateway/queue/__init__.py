"""The queues as people see them: what waits, what runs, who works, and the switch that pauses a domain."""
