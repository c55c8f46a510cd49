#include "runners/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/train/timeline.h"
#include "runners/text.h"

namespace dml {
namespace {

constexpr std::int64_t kNanosecondsBetweenLines = 5'000'000'000;

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string window_text(const WindowReport& report) {
  std::string text = "loss " + decimal(report.loss, 4);
  if (report.samples_per_second) {
    text += "  " + with_thousands(std::llround(*report.samples_per_second)) + " samples/s";
  }
  if (report.remaining_seconds) text += "  " + clock_time(*report.remaining_seconds) + " left";
  return text;
}

std::string epoch_of(std::int64_t epoch, std::int64_t epochs) {
  return "epoch " + std::to_string(epoch + 1) + "/" + std::to_string(epochs);
}

}  // namespace

Progress::Style Progress::style_for_stderr(bool quiet) {
  if (quiet) return Style::none;
  return isatty(STDERR_FILENO) != 0 ? Style::bar : Style::lines;
}

std::string progress_bar(const WindowReport& report, int width) {
  const double share =
      static_cast<double>(report.step) / static_cast<double>(std::max<std::int64_t>(1, report.steps));
  const std::string before = epoch_of(report.epoch, report.epochs) + " [";
  const std::string after = "] " +
                            std::string(share < 0.0995  ? 2
                                        : share < 0.995 ? 1
                                                        : 0,
                                        ' ') +
                            percent(share, 0) + "  " + window_text(report);
  const int cells = std::clamp(width - 1 - static_cast<int>(before.size() + after.size()), 4, 40);
  const int filled = static_cast<int>(share * cells);
  std::string line = before;
  line.append(static_cast<std::size_t>(filled), '#').append(static_cast<std::size_t>(cells - filled), '.');
  line += after;
  return line.substr(0, static_cast<std::size_t>(std::max(1, width - 1)));
}

void Progress::clear_bar() {
  if (bar_shown_) std::fputs("\r\033[K", stderr);
  bar_shown_ = false;
}

void Progress::message(const std::string& text) {
  if (style_ == Style::none) return;
  clear_bar();
  std::fputs(text.c_str(), stderr);
  if (!text.empty() && text.back() != '\n') std::fputc('\n', stderr);
}

void Progress::window(const WindowReport& report) {
  if (style_ == Style::bar) {
    std::fprintf(stderr, "\r\033[K%s", progress_bar(report, terminal_columns()).c_str());
    std::fflush(stderr);
    bar_shown_ = true;
    return;
  }
  const std::int64_t now_ns = monotonic_ns();
  if (last_line_ns_ != 0 && now_ns - last_line_ns_ < kNanosecondsBetweenLines) return;
  last_line_ns_ = now_ns;
  message(epoch_of(report.epoch, report.epochs) + "  step " + with_thousands(report.step) + "/" +
          with_thousands(report.steps) + "  " + window_text(report));
}

void Progress::epoch(const EpochReport& report) {
  std::string line = epoch_of(report.epoch, report.epochs) + "  train loss " + decimal(report.train_loss, 4);
  if (report.evaluation) {
    line += "  test loss " + decimal(report.evaluation->loss, 4) + "  test accuracy " +
            percent(report.evaluation->accuracy, 2) + " of " + with_thousands(report.evaluation->samples);
  }
  line += "  " + with_thousands(static_cast<std::int64_t>(std::llround(report.samples_per_second))) +
          " samples/s";
  message(line);
}

}  // namespace dml
