"""Read and write files of poses and motion; one module per format."""
