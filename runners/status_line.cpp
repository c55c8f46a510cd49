#include "runners/status_line.h"

#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runners/cli/terminal.h"

namespace dml {

StatusLine::StatusLine(bool quiet) : quiet_(quiet), on_terminal_(isatty(STDERR_FILENO) == 1) {}

void StatusLine::title(const std::string& title) {
  title_ = title;
  if (quiet_) return;
  if (on_terminal_) {
    redraw(title);
  } else {
    std::fprintf(stderr, "%s\n", title.c_str());
  }
}

void StatusLine::progress(const std::string& line) {
  if (on_terminal_ && !quiet_ && line.starts_with("epoch ")) redraw(title_ + "  " + line);
}

void StatusLine::say(const std::string& text) {
  clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", wrapped(text).c_str());
}

void StatusLine::clear() {
  if (on_terminal_ && !quiet_) redraw("");
}

void StatusLine::redraw(const std::string& text) const {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  const std::size_t columns = known ? size.ws_col - 1U : 79U;
  std::fprintf(stderr, "\r\033[K%s", text.substr(0, columns).c_str());
  std::fflush(stderr);
}

}  // namespace dml
