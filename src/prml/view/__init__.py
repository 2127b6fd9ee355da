"""Draw a lifted sequence: the HTML viewer and the overlay video."""
