"""The audit log as superusers read it; it is written by whoever changes something (libs.common.audit)."""
