"""Who may enter: `organizations`, their `users`, the `sessions` of these, and the registered application
`entities`.
"""
