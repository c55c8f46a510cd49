// dml_engine: reads the command line, starts ranks or is one, and turns errors into messages and exit codes.
//
// A failing run prints one paragraph on stderr and nothing on stdout.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "engine/train/backends.h"
#include "kernels/base/error.h"
#include "runners/benchmark.h"
#include "runners/cli/flags.h"
#include "runners/cli/parse.h"
#include "runners/cli/terminal.h"
#include "runners/demo.h"
#include "runners/doctor.h"
#include "runners/evaluate.h"
#include "runners/help.h"
#include "runners/launch/supervisor.h"
#include "runners/launch/thread_waiting.h"
#include "runners/study/report.h"
#include "runners/study/study.h"
#include "runners/train.h"
#include "runners/version.h"

namespace dml {
namespace {

void print_error(const std::string& message, const Environment& environment) {
  const bool color = color_allowed(fileno(stderr), environment.variables);
  const std::string head = color ? "dml_engine: \033[1;31merror:\033[0m " : "dml_engine: error: ";
  // Wrapped with the plain head, which is as wide as the coloured one looks.
  const std::string plain_head = "dml_engine: error: ";
  const std::string text = wrapped(plain_head + message).substr(plain_head.size());
  std::fprintf(stderr, "%s%s\n", head.c_str(), text.c_str());
}

/// What is known about an error that reached the end of main.
struct Failure {
  ExitCode code = ExitCode::internal;
  std::string message;
};

Failure describe(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return {known->code(), known->what()};
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return {ExitCode::unavailable,
            "the machine has not enough memory for this run. A smaller --batch, or more "
            "--accumulate slices of it, takes less."};
  }
  return {ExitCode::internal, std::string("internal error: ") + error.what()};
}

int run_rank(const Invocation& invocation, const Environment& environment) {
  const RankContext context = make_rank_context(invocation.contract, invocation.rendezvous);
  try {
    switch (invocation.command) {
      case Command::evaluate:
        return run_evaluate(invocation, context);
      case Command::benchmark:
        return run_benchmark(invocation, context);
      default:
        return run_train(invocation, context);
    }
  } catch (const std::exception& error) {
    const Failure failure = describe(error);
    if (!report_failure(context, error, failure.code, failure.message)) {
      const std::string who = context.world_size == 1
                                  ? ""
                                  : "rank " + std::to_string(context.rank) + " of " +
                                        std::to_string(context.world_size) + " on " + context.host + ": ";
      print_error(who + failure.message, environment);
    }
    return static_cast<int>(failure.code);
  }
}

int start_ranks(const Invocation& invocation, const Environment& environment) {
  SupervisorOptions options;
  options.ranks = invocation.config.parallel.ranks;
  options.arguments = invocation.arguments;
  options.variables = environment.variables;
  options.deadline = invocation.config.deadline;
  const Verdict verdict = supervise(options);
  if (!verdict.message.empty()) print_error(verdict.message, environment);
  return verdict.exit_code;
}

int run(std::span<const std::string> words, const Environment& environment) {
  const Invocation invocation = parse_command_line(words, environment);
  switch (invocation.command) {
    case Command::none:
      std::fputs(overview(environment).c_str(), stdout);
      return 0;
    case Command::help:
      std::fputs(help(invocation.topic).c_str(), stdout);
      return 0;
    case Command::version:
      std::printf("dml_engine %s (%s)\n", version(), git_revision());
      return 0;
    case Command::doctor:
      return run_doctor(invocation, environment);
    case Command::demo:
      return run_demo(invocation, environment);
    case Command::study:
      return run_study(invocation, environment);
    case Command::report:
      return write_report(invocation.config.run_dir, invocation.json);
    case Command::train:
    case Command::evaluate:
    case Command::benchmark:
      break;
  }
  if (invocation.dry_run) {
    const std::string text = invocation.json
                                 ? format_settings_json(to_string(invocation.command), invocation.settings)
                                 : format_settings(invocation.settings);
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  return invocation.starts_ranks() ? start_ranks(invocation, environment) : run_rank(invocation, environment);
}

}  // namespace
}  // namespace dml

int main(int argc, char** argv) {
  dml::restart_with_short_spin(argv);
  // A reader that went away is an error when it is written to, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  dml::Environment environment = dml::read_environment(argc > 0 ? argv[0] : "");
  environment.least_compute = dml::least_compute_capability();
  int exit_code = 0;
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    exit_code = dml::run(words, environment);
  } catch (const std::exception& error) {
    const dml::Failure failure = dml::describe(error);
    dml::print_error(failure.message, environment);
    exit_code = static_cast<int>(failure.code);
  }
  if (std::fflush(stdout) != 0 && exit_code == 0) {
    dml::print_error(std::string("cannot write to stdout: ") + std::strerror(errno), environment);
    exit_code = static_cast<int>(dml::ExitCode::io);
  }
  return exit_code;
}
