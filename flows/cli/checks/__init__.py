"""What `terrabalance doctor` looks at: a function a line, which says what it found."""
