"""The networks, pure torch.

    motion = network(speech)  # [B, T, D] -> [B, T, 13]

Tensors in, tensors out: no files, no clips, no requests.
"""
