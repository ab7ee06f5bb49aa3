"""What people can do where a model cannot be taken as it is; each of these ways is gone in the tests."""

from __future__ import annotations

# With sizes found out by torch: images of any size, or the multiples that the network needs. TorchScript is
# not advised: scripting fails for much of Python, tracing writes sizes down, and torch is giving both up.
EXPORT = (
    "torch.export.save(torch.export.export(network.eval(), (image,), dynamic_shapes=({2: AUTO, 3: AUTO},)), "
    '"network.pt2"), where AUTO is torch.export.Dim.AUTO'
)
EXPORTED = "export it again with torch 2.9 or newer, torch.export.save(program, 'network.pt2')"
AGAIN = f"where it was made, export the network itself: {EXPORT}"
FACTORY = "name a function that makes it and loads its weights, as in load_model('my_package.nets:make')"
WHOLE = f"load the weights into your network and pass that, or save the whole network instead: {EXPORT}"
STATE = f"save network.state_dict() in it, or the whole network: {EXPORT}"
TRUSTED = (
    "where you trust it, pass the network, load_model(torch.load(path, weights_only=False).eval()), or "
    f"export it: {EXPORT}"
)
ONLY_TORCH = "only networks of PyTorch run here"
IN_TORCH = (
    f"{ONLY_TORCH}: give its weights to the same network in PyTorch and pass that, as in "
    "load_model(network.eval())"
)
ONNX = (
    f"{ONLY_TORCH}: convert it with the package onnx2torch, and pass what it gives, as "
    "in load_model(onnx2torch.convert(path).eval()), or export the network that it was made from"
)
TENSORS = "where it holds weights, make tensors of them and save these with torch.save(state, path)"
PICKLED = (
    "where you trust it, load it with pickle, and save it with torch.save(network.state_dict(), path) or "
    f"export it: {EXPORT}"
)
