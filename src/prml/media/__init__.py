"""Read and write video and image folders."""
