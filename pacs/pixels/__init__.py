"""Pixel data: decoders and lossless conversion between transfer syntaxes."""
