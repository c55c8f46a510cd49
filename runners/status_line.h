// What a person sees while a command runs other runs: a line that is redrawn on a terminal, plain lines
// elsewhere.
#pragma once

#include <string>

namespace dml {

class StatusLine {
 public:
  explicit StatusLine(bool quiet);
  /// A new run begins.
  void title(const std::string& title);
  /// A line of the run's stderr: shown behind the title when it tells of progress.
  void progress(const std::string& line);
  /// Something that stays.
  void say(const std::string& text);
  void clear();

 private:
  void redraw(const std::string& text) const;

  bool quiet_, on_terminal_;
  std::string title_;
};

}  // namespace dml
