"""Service classes this archive provides (PS3.4)."""
