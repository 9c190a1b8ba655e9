"""The service classes of this archive (PS3.4), one module each."""
