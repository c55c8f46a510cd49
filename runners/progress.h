// What a person watching a run sees on stderr.
//
// On a terminal: one line that is redrawn (bar, rate, loss, time left), and one line that stays per epoch.
// Elsewhere: a plain line every few seconds and one per epoch. With --quiet: nothing.
#pragma once

#include <string>

#include "engine/train/trainer.h"

namespace dml {

class Progress {
 public:
  enum class Style { none, lines, bar };

  /// bar when stderr is a terminal, lines otherwise, none when `quiet`.
  static Style style_for_stderr(bool quiet);
  explicit Progress(Style style) : style_(style) {}

  void message(const std::string& text);
  void window(const WindowReport& report);
  void epoch(const EpochReport& report);

 private:
  void clear_bar();

  Style style_;
  bool bar_shown_ = false;
  std::int64_t last_line_ns_ = 0;
};

/// "epoch 1/2 [######..........]  38 %  loss 0.4123  18,432 samples/s  0:04 left", `width` columns at most.
std::string progress_bar(const WindowReport& report, int width);

}  // namespace dml
