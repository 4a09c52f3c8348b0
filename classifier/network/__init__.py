"""Networks: classifiers, and the frozen features of pretrained ones."""
