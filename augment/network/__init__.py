"""The U-Net, its diffusion process, and the files of a trained generator."""
