#!/usr/bin/env python3
"""The frame of tests/gpu/accept, without a GPU: verdicts, limits, and how it reads what others print."""
import argparse
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('accept', str(pathlib.Path(__file__).resolve().parent / 'accept'))
accept = importlib.util.module_from_spec(importlib.util.spec_from_loader('accept', loader))
loader.exec_module(accept)

PROFILE = '''==PROF== Connected
"ID","Kernel Name","Grid Size","Block Size","gpu__time_duration.sum","sm__pipe_fma_cycles_active.avg.pct_of_peak_sustained_elapsed",\
"gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed","sm__warps_active.avg.pct_of_peak_sustained_active","smsp__inst_executed.sum"
"","","","","ns","%","%","%","inst"
"0","void dml::cuda::<unnamed>::scale_kernel(int, float)","(1, 1, 1)","(256, 1, 1)","900","1","2","3","1,000"
"1","dml::cuda::<unnamed>::advance_cursor_kernel(int *)","(1, 1, 1)","(1, 1, 1)","1,700","0","0","1","100"
"2","void dml::cuda::<unnamed>::window_kernel<(int)3, dml::cuda::<unnamed>::ReadInput>(int)","(8, 1, 1)","(128, 1, 1)","2,500","50","10","20","2,000,000"
"3","dml::cuda::<unnamed>::advance_cursor_kernel(int *)","(1, 1, 1)","(1, 1, 1)","1,600","0","0","1","100"
'''.replace('\\\n', '')


def heed_signals():
    """Whoever runs the tests in the background, or by nohup, ignores some."""
    for ending in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(ending, signal.SIG_DFL)


class Part(unittest.TestCase):
    """Runs functions as parts of an acceptance."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        engine = self.folder / 'dml_engine'
        engine.write_text('#!/bin/sh\n')
        engine.chmod(0o755)
        self.run_ = accept.Run(argparse.Namespace(device='cuda', out=self.folder / 'out', build=self.folder, seconds=100))

    def result_of(self, part):
        accept.PARTS['tried'] = part
        self.addCleanup(accept.PARTS.pop, 'tried')
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = accept.result_of('tried', self.run_)
        self.assertTrue(printed.getvalue().startswith(result['verdict']))
        return result['verdict'], result['finding']

    def log(self):
        return (self.folder / 'out-tried.log').read_text()


class Verdicts(Part):
    def test_a_part_that_returns_has_passed(self):
        self.assertEqual(self.result_of(lambda run: 'all well'), ('PASSED', 'all well'))

    def test_an_exception_that_nobody_expected_is_a_failure(self):
        self.assertEqual(self.result_of(lambda run: {}['median']), ('FAILED', "KeyError: 'median'"))
        self.assertIn('Traceback', self.log())

    def test_a_program_that_fails_says_so_and_is_logged(self):
        verdict, finding = self.result_of(lambda run: run.call(['sh', '-c', 'echo out; echo why >&2; exit 3']))
        self.assertEqual((verdict, finding), ('FAILED', 'sh ended with 3: out | why'))
        self.assertIn('why', self.log())

    def test_a_program_that_is_not_there_is_skipped(self):
        verdict, finding = self.result_of(lambda run: run.program('gpu_operations_test'))
        self.assertEqual((verdict, finding), ('SKIPPED', 'gpu_operations_test was not built (it needs nvcc)'))

    def test_a_program_for_another_machine_fails(self):
        (self.folder / 'program').write_bytes(b'\x7fELF')
        (self.folder / 'program').chmod(0o755)
        self.assertEqual(self.result_of(lambda run: run.call([self.folder / 'program'])), ('FAILED', 'program does not start: Exec format error'))

    def test_output_that_is_no_text_is_kept(self):
        self.assertEqual(self.result_of(lambda run: run.call(['printf', r'\377 said'])), ('PASSED', '\ufffd said'))

    def test_a_test_program_without_tests_fails(self):
        program = self.folder / 'gpu_operations_test'
        program.write_text('#!/bin/sh\necho "[  PASSED  ] 0 tests."\n')
        program.chmod(0o755)
        verdict, finding = self.result_of(lambda run: accept.google_test(run, 'gpu_operations_test'))
        self.assertEqual((verdict, finding), ('FAILED', 'gpu_operations_test ran no test'))


class Limits(Part):
    # Longer than any test waits: a sleeper that ends by itself would look like one that was ended.
    SLEEPERS = 'echo begun; sleep 300 & echo $! >{0}/pid; wait'

    def setUp(self):
        super().setUp()
        self.addCleanup(self.end_sleeper)

    def end_sleeper(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((self.folder / 'pid').read_text()), signal.SIGKILL)

    def result_within(self, seconds, part):
        """As result_of; a sleeper still alive by then is ended, and the test fails."""
        timer = threading.Timer(seconds, self.end_sleeper)
        timer.start()
        began = time.monotonic()
        result = self.result_of(part)
        timer.cancel()
        self.assertLess(time.monotonic() - began, seconds, 'a sleeper held the pipes')
        return result

    def interrupted(self, ending, script):
        """Of accept with an engine that does this when it trains or is measured: its exit code, once this signal came."""
        (self.folder / 'dml_engine').write_text(f'#!/bin/sh\ncase $1 in benchmark|train) {script.format(self.folder)};; esac\n')
        process = subprocess.Popen([sys.executable, accept.HERE / 'accept', '--device', 'emulator', '--parts', self.part, '--build', self.folder,
                                    '--out', self.folder / 'new' / 'out'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=heed_signals)
        while not (self.folder / 'pid').is_file() or not (self.folder / 'pid').read_text().strip():
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(ending)
        self.addCleanup(process.kill)
        return process.wait(20)

    def is_alive(self):
        pid = int((self.folder / 'pid').read_text())
        for _ in range(100):
            try:
                if pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z':
                    return False
                os.kill(pid, 0)
            except (ProcessLookupError, FileNotFoundError):
                return False
            time.sleep(0.02)
        return True

    def test_ends_what_a_program_has_started(self):
        verdict, finding = self.result_within(10, lambda run: run.call(['sh', '-c', self.SLEEPERS.format(self.folder)], 0.5))
        self.assertEqual((verdict, finding), ('FAILED', 'sh ran longer than 0 s'))
        self.assertFalse(self.is_alive())
        self.assertIn('begun', self.log())

    def test_a_program_that_the_end_of_it_all_cut_short_has_not_failed(self):
        self.run_.deadline = time.monotonic() + 1.5
        verdict, finding = self.result_within(10, lambda run: run.call(['sh', '-c', self.SLEEPERS.format(self.folder)]))
        self.assertEqual(verdict, 'SKIPPED', finding)
        self.assertFalse(self.is_alive())

    def test_signals_end_what_every_part_has_started(self):
        for self.part in 'modes', 'speed':  # side by side, and on the main thread
            for ending in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
                for script in self.SLEEPERS, 'echo begun; sleep 300 & echo $! >{0}/pid':
                    with self.subTest(part=self.part, ending=ending.name, script=script):
                        try:
                            self.assertEqual(self.interrupted(ending, script), 130)
                            self.assertFalse(self.is_alive())
                            self.assertIn('begun', (self.folder / 'new' / f'out-{self.part}.log').read_text())
                        finally:
                            self.end_sleeper()
                            (self.folder / 'pid').unlink()

    def test_nothing_starts_after_an_interrupt(self):
        self.addCleanup(self.run_.interrupted.clear)
        self.run_.interrupt()
        self.assertEqual(self.result_of(lambda run: run.call(['true'])), ('SKIPPED', 'interrupted'))


class Nccl(Part):
    def test_refused_in_every_mode_is_skipped(self):
        def train(run, *flags, weights):
            if 'nccl' in flags:
                raise accept.Failed('dml_engine ended with 69: NCCL does not start: duplicate GPU')
        self.addCleanup(setattr, accept.Run, 'train', accept.Run.train)
        accept.Run.train = train
        verdict, finding = self.result_of(accept.part_nccl)
        self.assertEqual(verdict, 'SKIPPED', finding)
        self.assertIn('refused every mode', finding)
        self.assertIn('duplicate GPU', finding)


ENGINE = '''#!/usr/bin/env python3
import json, sys
flags = dict(zip(sys.argv[2::1], sys.argv[3::1]))
open('{0}/calls', 'a').write('engine ' + flags['--model'] + ' rounds ' + flags['--rounds'] + ' warm ' + flags['--warmup-steps'] + '\\n')
print(json.dumps({{'rank_step_milliseconds': [{{'step': {{'median': 0.1, 'p10': 0.09, 'p90': 0.11}}}}]}}))
'''
PEER = '''import json, sys
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open('{0}/calls', 'a').write(' '.join(['peer', flags['--arm'], 'rounds', flags['--rounds'], 'steps', flags['--steps'], 'warm', flags['--warm-seconds']]) + '\\n')
if flags['--arm'] == 'compile':
    sys.exit('no compiler')
print('a warning')
print(json.dumps({{'microseconds': 250 if flags['--arm'] == 'graph' else 400, 'p10': 240, 'p90': 410}}))
'''


class Speed(Part):
    def setUp(self):
        super().setUp()
        (self.folder / 'dml_engine').write_text(ENGINE.format(self.folder))
        (self.folder / 'peer.py').write_text(PEER.format(self.folder))
        self.addCleanup(setattr, accept, 'benchmark', accept.benchmark)
        accept.benchmark = lambda name: self.folder / 'peer.py'

    def test_the_fastest_arm_is_measured_between_two_of_the_engine_and_as_often(self):
        text, rows = accept.part_speed(self.run_)
        self.assertEqual([row['case'] for row in rows], ['lenet@32 fp32', 'mnist-cnn@64 fp32', 'lenet@1024 fp32', 'mnist-cnn@1024 fp32'])
        self.assertEqual(rows[0]['torch']['arm'], 'graph')
        self.assertEqual(rows[0]['engine_us'], 100)
        self.assertEqual(rows[0]['ratio'], 2.5)
        self.assertIn('compile: ', [arm for arm in rows[0]['arms'] if 'no compiler' in arm][0])
        self.assertIn('lenet@32 fp32: engine 100.0 (90.0 .. 110.0) us in 9 rounds', text)
        self.assertIn('PyTorch graph in between 250.0 (240.0 .. 410.0) us in 18 rounds of 2000 steps: 2.50x', text)
        calls = [line for line in (self.folder / 'calls').read_text().splitlines() if 'rounds 9' in line or 'rounds 18' in line]
        self.assertEqual(calls[:3], ['engine lenet rounds 9 warm 29952', 'peer graph rounds 18 steps 2000 warm 3', 'engine lenet rounds 9 warm 29952'])

    def test_without_pytorch_the_engine_is_measured_all_the_same(self):
        (self.folder / 'peer.py').write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
        text, rows = accept.part_speed(self.run_)
        self.assertEqual([(row['engine_us'], row['torch'], row['ratio']) for row in rows], [(100, None, None)] * 4)
        self.assertIn('PyTorch not measured: it is not here', text)


def write_safetensors(path, **tensors):
    header, data = {}, b''
    for name, values in tensors.items():
        packed = struct.pack(f'<{len(values)}f', *values)
        header[name] = {'dtype': 'F32', 'shape': [len(values)], 'data_offsets': [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, 'little') + text + data)


class Weights(Part):
    def difference(self, ours, theirs):
        write_safetensors(self.folder / 'ours', w=ours)
        write_safetensors(self.folder / 'theirs', w=theirs)
        return accept.largest_difference(self.folder / 'ours', self.folder / 'theirs')

    def test_the_difference_is_relative_to_the_largest_weight(self):
        self.assertEqual(self.difference([1, 2, -4], [1, 2, -4]), 0)
        self.assertEqual(self.difference([1, 3, -4], [1, 2, -4]), 0.25)

    def test_a_nan_is_never_close(self):
        nan = float('nan')
        for ours, theirs in ([1, nan], [1, 2]), ([1, 2], [1, nan]), ([nan], [nan]):
            self.assertEqual(self.difference(ours, theirs), float('inf'))


class Profiles(unittest.TestCase):
    def test_the_kernels_between_two_ends_of_a_step(self):
        kernels = accept.kernels_of_a_step(PROFILE)
        self.assertEqual([kernel['kernel'] for kernel in kernels], ['window<(int)3, ReadInput>', 'advance_cursor'])
        self.assertEqual(kernels[0]['microseconds'], 2.5)
        self.assertEqual(kernels[0]['million_instructions'], 2)

    def test_a_profile_without_a_whole_step_fails(self):
        with self.assertRaises(accept.Failed):
            accept.kernels_of_a_step('\n'.join(PROFILE.splitlines()[:-1]))


class Modes(unittest.TestCase):
    def test_every_mode_has_two_and_three_ranks(self):
        self.assertEqual(accept.modes_of(2).keys(), accept.modes_of(3).keys())
        for ranks in 2, 3:
            flags = [' '.join(map(str, flags)) for flags in accept.modes_of(ranks).values()]
            for word in 'allreduce', 'allgather', 'sequential', 'gpipe':
                self.assertEqual(sum(word in line for line in flags), 1, f'{word}, {ranks} ranks')


if __name__ == '__main__':
    unittest.main()
