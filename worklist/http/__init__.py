"""The pages that people open in a browser, and what they are made of."""
