"""The web pages and the viewer: `ui` is the application in the browser, `http` serves it."""
