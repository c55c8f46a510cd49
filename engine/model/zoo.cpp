#include "engine/model/zoo.h"

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr ActivationShape kMnistImage{1, 28, 28};

// LeNet-5 in its common ReLU / max-pool form (LeCun et al., 1998): 51,902 parameters.
ModelSpec lenet() {
  return {.name = "lenet",
          .input = kMnistImage,
          .classes = 10,
          .layers = {
              ConvolutionLayer{.name = "conv1", .out_channels = 6, .kernel = 5, .padding = 2, .pool = 2},
              ConvolutionLayer{.name = "conv2", .out_channels = 16, .kernel = 5, .pool = 2},
              LinearLayer{.name = "fc1", .out_features = 120},
              LinearLayer{.name = "fc2", .out_features = 10, .relu = false},
          }};
}

// The network of PyTorch's MNIST example, without its dropout: 1,199,882 parameters, 89 % of the work in
// conv2.
ModelSpec mnist_cnn() {
  return {.name = "mnist-cnn",
          .input = kMnistImage,
          .classes = 10,
          .layers = {
              ConvolutionLayer{.name = "conv1", .out_channels = 32},
              ConvolutionLayer{.name = "conv2", .out_channels = 64, .pool = 2},
              LinearLayer{.name = "fc1", .out_features = 128},
              LinearLayer{.name = "fc2", .out_features = 10, .relu = false},
          }};
}

// Eight layers in VGG style whose widths are chosen so that two stages can share the work: `--split 3` leaves
// the halves within 20 % of each other, in FLOP and in measured time. Made to show pipelining.
ModelSpec cnn8() {
  return {.name = "cnn8",
          .input = kMnistImage,
          .classes = 10,
          .layers = {
              ConvolutionLayer{.name = "conv1", .out_channels = 16, .padding = 1},
              ConvolutionLayer{.name = "conv2", .out_channels = 32, .padding = 1, .pool = 2},
              ConvolutionLayer{.name = "conv3", .out_channels = 32, .padding = 1},
              ConvolutionLayer{.name = "conv4", .out_channels = 48, .padding = 1, .pool = 2},
              ConvolutionLayer{.name = "conv5", .out_channels = 48, .padding = 1},
              ConvolutionLayer{.name = "conv6", .out_channels = 96, .padding = 1, .pool = 2},
              LinearLayer{.name = "fc1", .out_features = 128},
              LinearLayer{.name = "fc2", .out_features = 10, .relu = false},
          }};
}

}  // namespace

std::vector<std::string> model_names() {
  return {"lenet", "mnist-cnn", "cnn8"};
}

ModelSpec model_by_name(const std::string& name) {
  if (name == "lenet") return lenet();
  if (name == "mnist-cnn") return mnist_cnn();
  if (name == "cnn8") return cnn8();
  std::string known;
  for (const std::string& word : model_names()) known += (known.empty() ? "" : ", ") + word;
  throw UsageError("--model " + name + ": no such model; known are " + known);
}

}  // namespace dml
