"""Video and pictures: read, write, look ahead."""
