"""pix2pix on Colab: image-to-image translation with a conditional GAN, and a slider for its one knob, λ."""
