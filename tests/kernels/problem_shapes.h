// The shapes every backend is tested on: one shared list, nasty on purpose.
//
// Libraries break on batch 0 and 1, on channel counts that are no multiple of a vector, on strides larger
// than the filter, on dilation, and on the last partial tile, so every one of those has a row here. The
// layers of lenet and mnist-cnn are there because they are what users run. A kernel with a tile of its own
// adds rows around it.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/shapes.h"

namespace dml::test {

template <class Shape>
struct Problem {
  std::string name;  ///< letters, digits and underscores: it becomes part of a test's name
  Shape shape;
};

inline std::vector<Problem<ConvolutionShape>> convolution_problems() {
  return {
      // clang-format off
      //                           N   C   H   W   K  R  S stride padding dilation
      {"single_element",          {1,  1,  1,  1,  1, 1, 1, 1, 0, 1}},
      {"empty_batch",             {0,  3,  7,  5,  4, 3, 3, 1, 1, 1}},
      {"prime_everything",        {7,  3, 13, 11,  5, 3, 3, 1, 0, 1}},
      {"odd_channels",            {2,  5,  9,  9,  7, 3, 3, 1, 1, 1}},
      {"pointwise",               {3,  9,  6,  5, 11, 1, 1, 1, 0, 1}},
      {"pointwise_stride_2",      {2,  4,  7,  8,  3, 1, 1, 2, 0, 1}},
      {"row_filter",              {2,  3,  8, 11,  4, 1, 5, 1, 0, 1}},
      {"column_filter",           {2,  3, 11,  8,  4, 5, 1, 1, 2, 1}},
      {"even_filter",             {3,  2,  8,  9,  3, 2, 4, 1, 1, 1}},
      {"filter_is_input",         {5,  3,  5,  4,  6, 5, 4, 1, 0, 1}},
      {"full_padding",            {2,  3,  4,  5,  3, 3, 3, 1, 2, 1}},
      {"filter_exceeds_input",    {2,  2,  3,  3,  4, 5, 5, 1, 2, 1}},
      {"stride_2_even_tail",      {2,  3, 10,  8,  5, 3, 3, 2, 1, 1}},
      {"stride_exceeds_filter",   {2,  3, 11, 14,  4, 2, 2, 3, 0, 1}},
      {"stride_4_padded",         {1,  3, 19, 17,  4, 5, 5, 4, 2, 1}},
      {"dilation_2",              {2,  3, 11,  9,  4, 3, 3, 1, 0, 2}},
      {"dilation_2_same",         {3,  4,  9, 10,  5, 3, 3, 1, 2, 2}},
      {"dilation_2_stride_2",     {2,  3, 12, 13,  4, 3, 3, 2, 2, 2}},
      {"dilation_3_even_filter",  {2,  2, 10, 12,  3, 2, 4, 2, 1, 3}},
      {"past_tile_of_16",         {1, 17, 17, 17, 17, 3, 3, 1, 1, 1}},
      {"past_tile_of_32",         {3, 33,  5,  7, 33, 3, 3, 1, 1, 1}},
      {"short_of_tile_of_64",     {1, 63,  4,  4, 65, 1, 1, 1, 0, 1}},
      {"one_input_channel",       {5,  1, 12, 12, 16, 5, 5, 1, 2, 1}},
      {"one_output_channel",      {5, 16,  9,  9,  1, 3, 3, 1, 1, 1}},
      {"batch_37",               {37,  2,  6,  6,  3, 3, 3, 1, 1, 1}},
      {"batch_151",             {151,  1,  4,  3,  2, 3, 3, 1, 1, 1}},
      {"row_filter_batch_151",  {151,  1,  4,  4,  2, 1, 3, 1, 0, 1}},
      {"lenet_conv1",             {4,  1, 28, 28,  6, 5, 5, 1, 2, 1}},
      {"lenet_conv2",             {4,  6, 14, 14, 16, 5, 5, 1, 0, 1}},
      {"mnist_cnn_conv1",         {2,  1, 28, 28, 32, 3, 3, 1, 0, 1}},
      {"mnist_cnn_conv2",         {1, 32, 26, 26, 64, 3, 3, 1, 0, 1}},
      // clang-format on
  };
}

inline std::vector<Problem<PoolShape>> pool_problems() {
  return {
      // clang-format off
      //                          N   C   H   W window stride
      {"single_element",         {1,  1,  1,  1, 1, 1}},
      {"empty_batch",            {0,  3,  6,  6, 2, 2}},
      {"window_is_input",        {3,  5,  4,  4, 4, 4}},
      {"dropped_row_and_column", {2,  3,  7,  9, 2, 2}},
      {"overlapping",            {2,  3,  9,  7, 3, 2}},
      {"overlapping_stride_1",   {2,  2,  6,  5, 3, 1}},
      {"stride_exceeds_window",  {3,  4, 11, 10, 2, 3}},
      {"window_1_stride_2",      {2,  3,  5,  6, 1, 2}},
      {"odd_channels",           {5,  7,  8,  6, 2, 2}},
      {"past_tile_of_16",        {1, 17, 34, 34, 2, 2}},
      {"batch_37",              {37,  2,  6,  6, 2, 2}},
      {"lenet_pool1",            {4,  6, 28, 28, 2, 2}},
      {"lenet_pool2",            {4, 16, 10, 10, 2, 2}},
      {"mnist_cnn_pool",         {1, 64, 24, 24, 2, 2}},
      // clang-format on
  };
}

inline std::vector<Problem<LinearShape>> linear_problems() {
  return {
      // clang-format off
      //                        N     C    K
      {"single_element",     {  1,    1,   1}},
      {"empty_batch",        {  0,   12,   5}},
      {"prime_everything",   {  7,   13,  11}},
      {"one_feature_in",     {  5,    1,   9}},
      {"one_feature_out",    {  5,   31,   1}},
      {"past_tile_of_16",    { 17,   17,  17}},
      {"short_of_tile_of_64",{ 63,   65,  63}},
      {"past_tile_of_128",   {  3,  129, 130}},
      {"batch_37",           { 37,   50,  10}},
      {"lenet_fc1",          {  4,  400, 120}},
      {"lenet_fc2",          {  4,  120,  10}},
      {"mnist_cnn_fc1",      {  2, 9216, 128}},
      {"mnist_cnn_fc2",      {  2,  128,  10}},
      // clang-format on
  };
}

/// A softmax with cross-entropy over N samples of K logits.
struct SoftmaxShape {
  std::int64_t N = 0, K = 0;
};

inline std::vector<Problem<SoftmaxShape>> softmax_problems() {
  return {
      // clang-format off
      //                       N    K
      {"empty_batch",       {  0,  10}},
      {"single_sample",     {  1,  10}},
      {"one_class",         {  3,   1}},
      {"two_classes",       {  7,   2}},
      {"prime_everything",  { 37,  13}},
      {"past_tile_of_32",   {  5,  33}},
      {"many_classes",      {  3, 1000}},
      {"batch_151",         {151,    3}},
      {"batch_131_many_classes", {131, 40}},
      // clang-format on
  };
}

}  // namespace dml::test
