"""What a lift writes: one module per output."""
