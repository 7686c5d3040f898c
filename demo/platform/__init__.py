"""The demo's platform: a debt-resolution company's application, its database and its traffic. It knows no lake."""
