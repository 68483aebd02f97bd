"""The page to look at: one HTML file with everything inside it."""
