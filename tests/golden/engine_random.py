"""The engine's random numbers in numpy: initial parameters and the balanced order, as pure functions of the seed.

Written from the definitions in kernels/base/philox.h, engine/model/parameters.h and samplers/shuffle.h, so that a
golden file never stores weights or an order, and so that a second implementation checks the first.
"""
import dataclasses

import numpy as np

USE_INITIALISATION, USE_SHUFFLE = 1, 2  # RandomUse in kernels/base/philox.h
MASK32 = np.uint64(0xFFFFFFFF)


def philox4x32(counter, key):
    """Ten rounds of Philox4x32. counter: uint32 (n, 4); key: two 32-bit integers. Returns uint32 (n, 4)."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = (np.uint64(word) for word in key)
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c[0]
        product1 = np.uint64(0xCD9E8D57) * c[2]
        c = [(product1 >> np.uint64(32)) ^ c[1] ^ k0, product1 & MASK32,
             (product0 >> np.uint64(32)) ^ c[3] ^ k1, product0 & MASK32]
        k0 = (k0 + np.uint64(0x9E3779B9)) & MASK32
        k1 = (k1 + np.uint64(0xBB67AE85)) & MASK32
    return np.stack(c, axis=1).astype(np.uint32)


def stream_words(words, seed, use, stream, substream=0):
    """The first `words` 32-bit words of the stream named (seed, use, stream, substream)."""
    blocks = -(-words // 4)
    counter = np.empty((blocks, 4), np.uint32)
    counter[:, 0] = np.arange(blocks, dtype=np.uint32)
    counter[:, 1:] = substream, use, stream
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1)[:words]


def shuffled(samples, take, seed, epoch, substream):
    """The first `take` samples of the permutation of [0, samples) that samplers/shuffle.h defines, int32."""
    words = stream_words(2 * take, seed, USE_SHUFFLE, epoch, substream).astype(np.uint64)
    draws = ((words[0::2] << np.uint64(32)) | words[1::2]).tolist()
    places = list(range(samples))
    order = np.empty(take, np.int32)
    for k, draw in enumerate(draws):
        last = samples - 1 - k
        chosen = (draw * (last + 1)) >> 64
        order[k] = places[chosen]
        places[chosen] = places[last]
    return order


def balanced_order(samples, seed, epoch):
    return shuffled(samples, samples, seed, epoch, substream=0)


@dataclasses.dataclass(frozen=True)
class Convolution:
    name: str
    inputs: int
    outputs: int
    kernel: int
    padding: int = 0
    pool: int = 0

    def shapes(self):
        return (self.outputs, self.inputs, self.kernel, self.kernel), (self.outputs,)


@dataclasses.dataclass(frozen=True)
class Linear:
    name: str
    inputs: int
    outputs: int
    relu: bool = True

    def shapes(self):
        return (self.outputs, self.inputs), (self.outputs,)


MODELS = {  # engine/model/zoo.cpp
    'lenet': (Convolution('conv1', 1, 6, 5, padding=2, pool=2), Convolution('conv2', 6, 16, 5, pool=2),
              Linear('fc1', 400, 120), Linear('fc2', 120, 10, relu=False)),
    'mnist-cnn': (Convolution('conv1', 1, 32, 3), Convolution('conv2', 32, 64, 3, pool=2),
                  Linear('fc1', 9216, 128), Linear('fc2', 128, 10, relu=False)),
}


def initial_parameters(model, seed):
    """{'conv1.weight': float32 array, ...} in the order of the arena: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    parameters = {}
    for layer in MODELS[model]:
        weight_shape, bias_shape = layer.shapes()
        bound = np.float32(1.0 / np.sqrt(np.float64(np.prod(weight_shape[1:]))))
        for kind, shape in (('weight', weight_shape), ('bias', bias_shape)):
            words = stream_words(int(np.prod(shape)), seed, USE_INITIALISATION, stream=len(parameters))
            unit = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
            values = (np.float32(2) * unit - np.float32(1)) * bound
            parameters[f'{layer.name}.{kind}'] = values.reshape(shape)
    return parameters


def arena(parameters):
    """All tensors as the one flat float32 run that the engine keeps."""
    return np.concatenate([values.reshape(-1) for values in parameters.values()])
