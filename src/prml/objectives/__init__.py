"""What training minimises: pose losses, temporal consistency, mutual information."""
