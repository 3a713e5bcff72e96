#!/usr/bin/env python3
"""Translates one kernel of an sm_90 cubin into C for one hardware lane.

    translate.py NVDISASM KERNEL.cubin ENTRY OUT.c

So the machine code that a GPU would run runs on the CPU: its results can be checked, and the number
of instructions that it executes is exact and repeatable. It covers the instructions that our
kernels use; one that it does not know is an error, never skipped. It models one lane: barriers that
bring lanes together do nothing, there are no shuffles, no shared memory.

The C file offers
    void sass_thread(const void* params, unsigned len, unsigned tid, unsigned ctaid, unsigned ntid)
    unsigned long long sass_count(void)      instructions executed by all threads so far
"""

import re
import struct
import subprocess
import sys

# Where kernel parameters, and addresses that the driver gives, stand in constant bank 0.
PARAMS = 0x210
LOCAL_BASE, STACK_BYTES, PARAM_ADDRESS = 0x20, 0x28, 0x198
LOCAL_BYTES = 1 << 16
# What lanes do together, and what has no effect on results.
NOTHING = {"NOP", "BSSY", "BSYNC", "BREAK", "WARPSYNC", "BMOV", "YIELD", "DEPBAR"}
COMPARE = {"EQ": "==", "NE": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}


class Unknown(Exception):
    """An instruction that is not covered."""


# ---- the cubin -----------------------------------------------------------------------------------


def sections(path):
    """Name to (bytes, index) of an ELF file, and the index-free header list."""
    data = open(path, "rb").read()
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = []
    for i in range(count):
        name, kind, _, _, at, length, *_ = struct.unpack_from("<IIQQQQIIQQ", data, table + i * size)
        headers.append((name, data[at : at + length] if kind != 8 else bytes(length)))
    strings = headers[names][1]
    text = lambda at: strings[at : strings.index(b"\0", at)].decode()
    return {text(name): (content, i) for i, (name, content) in enumerate(headers)}


def symbols(found):
    """(name, section, value) of every symbol."""
    table, strings = found[".symtab"][0], found[".strtab"][0]
    for at in range(0, len(table), 24):
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", table, at)
        yield strings[name : strings.index(b"\0", name)].decode(), section, value


def instructions(nvdisasm, path, entry):
    """(address, text) of every instruction of the entry's section; label to address; the addresses
    that jump tables name."""
    run = subprocess.run([nvdisasm, "-c", path], capture_output=True, text=True, check=True)
    inside, pending, labels, code, tables = False, [], {}, [], set()
    for line in run.stdout.splitlines():
        label = re.match(r"\s*(\.text\.\S+|\.L_x_\d+|\$\S+):\s*$", line)
        found = re.match(r"\s+/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", line)
        if label and label.group(1).startswith(".text."):
            inside = label.group(1) == ".text." + entry
        elif label and inside:
            pending.append(label.group(1))
        elif line.startswith("//-----") and ".text." + entry not in line:
            inside = False
        elif found and inside:
            address = int(found.group(1), 16)
            labels.update({name: address for name in pending})
            pending = []
            tables.update(re.findall(r"\.L_x_\d+", line) if "BRANCH_TARGETS" in line else ())
            code.append((address, re.sub(r"\(\*.*?\*\)", "", found.group(2)).strip()))
    return code, labels, {labels[name] for name in tables}


# ---- operands ------------------------------------------------------------------------------------


def split(text):
    """Operands, at the commas outside brackets."""
    out, depth, part = [], 0, ""
    for c in text:
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            out.append(part.strip())
            part = ""
        else:
            part += c
    return out + [part.strip()] if part.strip() else out


def clean(text):
    return text.replace(".reuse", "").replace(".64", "").strip()


def is_predicate(text):
    return re.fullmatch(r"!?U?P[0-9T]+", text.strip()) is not None


def predicate(text):
    text = text.strip()
    name = text.lstrip("!")
    if name in ("PT", "UPT"):
        value = "1"
    else:
        value = "UP[%s]" % name[2:] if name.startswith("UP") else "P[%s]" % name[1:]
    return "(!%s)" % value if text.startswith("!") else value


def predicate_out(text):
    text = text.strip()
    return "NOWHERE_P" if text in ("PT", "UPT") else predicate(text)


def register(text, high=0):
    text = clean(text)
    if text in ("RZ", "URZ", "SRZ"):
        return "0u"
    found = re.fullmatch(r"(U?R)(\d+)", text)
    if not found:
        raise Unknown("register " + text)
    return "%s[%d]" % (found.group(1), int(found.group(2)) + high)


def out(text, high=0):
    return "NOWHERE" if clean(text) in ("RZ", "URZ") else register(text, high)


def pair(low, high):
    return "r64(%s,%s)" % (low, high)


def float32(text):
    text = clean(text)
    negative = text.startswith("-")
    text = text.lstrip("-")
    absolute = text.startswith("|")
    text = clean(text.strip("|"))
    if re.match(r"(U?R\d+|RZ|c\[)", text):
        value = "u2f(%s)" % Translator.plain(text)
    else:
        named = {"INF": "INFINITY", "+INF": "INFINITY", "QNAN": "NAN"}
        value = named.get(text) or text + ("f" if "." in text or "e" in text else ".0f")
    value = "fabsf(%s)" % value if absolute else value
    return "(-%s)" % value if negative else value


# ---- instructions --------------------------------------------------------------------------------


class Translator:
    """One method per group of instructions; each gives C statements."""

    def __init__(self, labels, globals_):
        self.labels = labels
        self.globals = globals_
        self.targets = set()
        self.returns = set()

    @staticmethod
    def plain(text, high=0):
        """A source of 32 bits; `high` is 1 for the upper half of a pair."""
        text = clean(text)
        if re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", text):
            return "%uu" % (int(text, 0) & 0xFFFFFFFF) if not high else "0u"
        found = re.fullmatch(r"c\[(0x\w+)\]\[(?:(U?RZ|U?R\d+)\+?)?(-?0x\w+)?\]", text)
        if found:
            bank, base, offset = found.groups()
            offset = int(offset or "0", 16) + 4 * high
            return "constant(%d,%s+%uu)" % (int(bank, 16), register(base or "RZ"), offset)
        if text.startswith("-"):
            return "(0u-%s)" % Translator.plain(text[1:], high)
        if text.startswith("~"):
            return "(~%s)" % Translator.plain(text[1:], high)
        return register(text, high)

    def src(self, text, high=0):
        text = clean(text)
        found = re.fullmatch(r"32@(lo|hi)\((\w+)\)", text)
        if found:
            half = ">>32" if found.group(1) == "hi" else ""
            return "(u32)((u64)(GLOBALS+%d)%s)" % (self.globals[found.group(2)], half)
        found = re.fullmatch(r"32@(lo|hi)\(\((\S+) \+ (\.L_x_\d+)@srel\)\)", text)
        if found:
            self.returns.add(self.labels[found.group(3)])
            return "%uu" % (self.labels[found.group(3)] if found.group(1) == "lo" else 0)
        return self.plain(text, high)

    def addend(self, text):
        """In a sum of more than 32 bits: a negation carries as its complement plus one."""
        text = clean(text)
        if text.startswith("-") and not text.startswith("-0x"):
            return "((u64)(u32)~%s+1)" % self.src(text[1:])
        return "(u64)%s" % self.src(text)

    def one(self, address, text):
        name, _, rest = text.partition(" ")
        fields, ops = name.split("."), split(rest)
        base = fields[0]
        if base in NOTHING:
            return ";"
        method = {
            "UMOV": "mov", "R2UR": "mov", "UIADD3": "iadd3", "UISETP": "isetp", "ULDC": "ldc",
            "LDG": "memory", "LD": "memory", "STG": "memory", "ST": "memory", "LDL": "memory",
            "STL": "memory", "S2UR": "s2r", "I2FP": "i2f", "ULEA": "lea", "ULOP3": "lop3",
            "USHF": "shf", "UIMAD": "imad", "USEL": "sel",
            "BRXU": "brx",
        }.get(base, base.lower())  # fmt: skip
        method = getattr(self, method, None)
        if method is None:
            raise Unknown(text)
        return method(address, fields, ops, rest)

    # moves

    def exit(self, _a, _f, _o, _r):
        return "goto DONE;"

    def mov(self, _a, _f, o, _r):
        return "%s=%s;" % (out(o[0]), self.src(o[1]))

    def s2r(self, _a, _f, o, _r):
        known = {"SR_TID.X": "TID", "SR_CTAID.X": "CTAID", "SR_NTID.X": "NTID"}
        if o[1] not in known:
            raise Unknown(o[1])
        return "%s=%s;" % (out(o[0]), known[o[1]])

    def cs2r(self, _a, f, o, _r):
        second = "" if "32" in f else "%s=0;" % out(o[0], 1)
        return "%s=0;%s" % (out(o[0]), second)

    def ldc(self, _a, f, o, _r):
        if "64" in f:
            halves = (self.src(o[1]), self.src(o[1], 1), out(o[0]), out(o[0], 1))
            return "{u32 t0=%s,t1=%s; %s=t0; %s=t1;}" % halves
        if len(f) > 1 and f[1] not in ("E",):
            raise Unknown("LDC " + ".".join(f))
        return "%s=%s;" % (out(o[0]), self.src(o[1]))

    def sel(self, _a, _f, o, _r):
        return "%s=%s?%s:%s;" % (out(o[0]), predicate(o[3]), self.src(o[1]), self.src(o[2]))

    def prmt(self, _a, _f, o, _r):
        return "%s=prmt(%s,%s,%s);" % (out(o[0]), self.src(o[1]), self.src(o[2]), self.src(o[3]))

    def r2p(self, _a, _f, o, _r):
        mask = int(o[2], 16)
        bits = (k for k in range(7) if mask >> k & 1)
        source = self.src(o[1])
        return "{u32 t=%s; %s}" % (source, "".join("P[%d]=t>>%d&1;" % (k, k) for k in bits))

    def p2r(self, _a, _f, o, _r):
        mask = int(o[3], 16)
        bits = "|".join("(u32)P[%d]<<%d" % (k, k) for k in range(7) if mask >> k & 1)
        return "%s=(%s&~%uu)|%s;" % (out(o[0]), self.src(o[2]), mask, bits)

    # integers

    def iadd3(self, _a, f, o, _r):
        carries, i = [], 1
        while is_predicate(o[i]):
            carries.append(o[i])
            i += 1
        terms, inputs = o[i : i + 3], o[i + 3 :]
        if "X" in f:
            parts = ["(u64)(u32)%s" % self.src(t) for t in terms] + [predicate(p) for p in inputs]
        else:
            parts = [self.addend(t) for t in terms]
        code = "{u64 t=%s; %s=(u32)t;" % ("+".join(parts), out(o[0]))
        if carries:
            code += "%s=(t>>32)>=1;" % predicate_out(carries[0])
        if len(carries) > 1:
            code += "%s=(t>>32)>=2;" % predicate_out(carries[1])
        return code + "}"

    def viadd(self, _a, _f, o, _r):
        return "%s=%s+%s;" % (out(o[0]), self.src(o[1]), self.src(o[2]))

    def vimnmx(self, _a, f, o, _r):
        kind = "u32" if "U32" in f else "i32"
        args = (kind, kind, self.src(o[1]), kind, self.src(o[2]), out(o[0]), predicate(o[3]))
        return "{%s x=(%s)%s,y=(%s)%s; %s=(u32)(%s?(x<y?x:y):(x>y?x:y));}" % args

    def imad(self, _a, f, o, _r):
        i, carry = 1, None
        if is_predicate(o[1]):
            carry, i = o[1], 2
        a, b, c = o[i : i + 3]
        add = "+%s" % predicate(o[i + 3]) if len(o) > i + 3 else ""
        if "MOV" in f:
            return "%s=%s;" % (out(o[0]), self.src(c))
        if "WIDE" not in f and "HI" not in f:
            if carry:
                raise Unknown("a carry of IMAD")
            return "%s=%s*%s+%s%s;" % (out(o[0]), self.src(a), self.src(b), self.src(c), add)
        if "U32" in f:
            product = "(u64)%s*(u64)%s" % (self.src(a), self.src(b))
        else:
            product = "(u64)((i64)(i32)%s*(i64)(i32)%s)" % (self.src(a), self.src(b))
        wide = re.match(r"(U?R\d|c\[)", clean(c))
        third = pair(self.src(c), self.src(c, 1)) if wide else "(u64)%s" % self.src(c)
        code = "{u128 t=(u128)(%s)+(u128)%s%s;" % (product, third, add)
        if "WIDE" in f:
            code += "%s=(u32)t; %s=(u32)(t>>32);" % (out(o[0]), out(o[0], 1))
        else:
            code += "%s=(u32)((u64)t>>32);" % out(o[0])
        return code + ("%s=t>>64&1;" % predicate_out(carry) if carry else "") + "}"

    def lea(self, _a, f, o, _r):
        i, carry = 1, None
        if is_predicate(o[1]):
            carry, i = o[1], 2
        if "HI" in f:
            if "SX32" in f:
                a, b, shift = o[i : i + 3]
                value, rest = "(u64)(i64)(i32)%s" % self.src(a), o[i + 3 :]
            else:
                a, b, c, shift = o[i : i + 4]
                value, rest = pair(self.src(a), self.src(c)), o[i + 4 :]
            add = "+%s" % predicate(rest[0]) if rest else ""
            args = (out(o[0]), value, int(shift, 16), self.src(b), add)
            return "%s=(u32)((%s<<%d)>>32)+%s%s;" % args
        shift = int(o[i + 2], 16) if len(o) > i + 2 else 0
        code = "{u64 t=(u64)(u32)(%s<<%d)+%s;" % (self.src(o[i]), shift, self.addend(o[i + 1]))
        code += "%s=(u32)t;" % out(o[0])
        return code + ("%s=(t>>32)!=0;" % predicate_out(carry) if carry else "") + "}"

    def lop3(self, _a, _f, o, _r):
        i, nonzero = 0, None
        if is_predicate(o[0]):
            nonzero, i = o[0], 1
        a, b, c = (self.src(t) for t in o[i + 1 : i + 4])
        code = "{u32 t=lop3(%s,%s,%s,%d); %s=t;" % (a, b, c, int(o[i + 4], 16), out(o[i]))
        if nonzero:
            code += "%s=t!=0||%s;" % (predicate_out(nonzero), predicate(o[i + 5]))
        return code + "}"

    def plop3(self, _a, _f, o, _r):
        bits = (int(o[5], 16), predicate(o[2]), predicate(o[3]), predicate(o[4]))
        return "%s=%d>>((%s?4:0)|(%s?2:0)|(%s?1:0))&1;" % ((predicate_out(o[0]),) + bits)

    def shf(self, _a, f, o, _r):
        low, shift, high = (self.src(t) for t in o[1:4])
        if "U64" in f:
            shift = "(%s>64?64:%s)" % (shift, shift)
        else:
            shift = "(%s&31)" % shift if "W" in f else "(%s>32?32:%s)" % (shift, shift)
        how = "shl64" if f[1] == "L" else ("sar64" if "S32" in f else "shr64")
        half = ">>32" if "HI" in f else ""
        return "%s=(u32)(%s(%s,%s)%s);" % (out(o[0]), how, pair(low, high), shift, half)

    def isetp(self, _a, f, o, _r):
        compare, kind = COMPARE[f[1]], "u32" if "U32" in f else "i32"
        x, y = ("(%s)%s" % (kind, self.src(t)) for t in o[2:4])
        test = "(%s%s%s)" % (x, compare, y)
        if "EX" in f:
            # The upper halves decide unless they are equal.
            lower = predicate(o[5])
            if f[1] == "EQ":
                test = "(%s==%s&&%s)" % (x, y, lower)
            elif f[1] == "NE":
                test = "(%s!=%s||%s)" % (x, y, lower)
            else:
                test = "(%s==%s?%s:%s%s%s)" % (x, y, lower, x, compare[0], y)
        join = "&&" if "AND" in f else "||"
        other = predicate(o[4])
        code = "{u8 t=%s%s%s; u8 n=!%s%s%s;" % (test, join, other, test, join, other)
        code += "%s=t;" % predicate_out(o[0])
        return code + ("%s=n;}" % predicate_out(o[1]) if o[1].strip() != "PT" else "}")

    def flo(self, _a, f, o, _r):
        if "U32" not in f:
            raise Unknown("FLO of signed numbers")
        value = "(u32)__builtin_clz(x)" if "SH" in f else "31u-(u32)__builtin_clz(x)"
        return "{u32 x=%s; %s=x?%s:~0u;}" % (self.src(o[1]), out(o[0]), value)

    def popc(self, _a, _f, o, _r):
        return "%s=(u32)__builtin_popcount(%s);" % (out(o[0]), self.src(o[1]))

    # the floating point of a reciprocal, from which integer division starts

    def hfma2(self, _a, _f, o, _r):
        if [clean(t) for t in o[1:3]] != ["-RZ", "RZ"]:
            raise Unknown("HFMA2 that is no move")
        half = lambda t: struct.unpack("<H", struct.pack("<e", float(t)))[0]
        return "%s=%uu;" % (out(o[0]), half(o[3]) << 16 | half(o[4]))

    def mufu(self, _a, f, o, _r):
        if f[1:] != ["RCP"]:
            raise Unknown("MUFU." + ".".join(f[1:]))
        return "%s=f2u(1.0f/%s);" % (out(o[0]), float32(o[1]))

    def i2f(self, _a, f, o, _r):
        if "F64" in f or ("U64" not in f and "U32" not in f):
            raise Unknown(".".join(f))
        wide = "U64" in f
        value = pair(self.src(o[1]), self.src(o[1], 1)) if wide else "(u64)%s" % self.src(o[1])
        return "%s=f2u(i2f(%s,%d));" % (out(o[0]), value, "RP" in f)

    def f2i(self, _a, f, o, _r):
        if "F64" in f or "TRUNC" not in f:
            raise Unknown(".".join(f))
        if "U64" in f:
            args = (float32(o[1]), out(o[0]), out(o[0], 1))
            return "{u64 x=f2i(%s,64); %s=(u32)x; %s=(u32)(x>>32);}" % args
        return "%s=(u32)f2i(%s,32);" % (out(o[0]), float32(o[1]))

    def ffma(self, _a, f, o, _r):
        rounding = {"RM": "FE_DOWNWARD", "RP": "FE_UPWARD", "RZ": "FE_TOWARDZERO"}
        mode = rounding.get(f[1], "0") if len(f) > 1 else "0"
        args = (out(o[0]), float32(o[1]), float32(o[2]), float32(o[3]), mode)
        return "%s=f2u(ffma(%s,%s,%s,%s));" % args

    def fadd(self, _a, _f, o, _r):
        return "%s=f2u(%s+%s);" % (out(o[0]), float32(o[1]), float32(o[2]))

    def fmul(self, _a, _f, o, _r):
        return "%s=f2u(%s*%s);" % (out(o[0]), float32(o[1]), float32(o[2]))

    # memory

    def memory(self, _a, f, o, _r):
        store = f[0].startswith("ST")
        place, value = (o[0], o[1]) if store else (o[1], o[0])
        place = re.sub(r"desc\[UR\d+\]", "", place).strip().strip("[]").replace(".U32", "")
        terms = [clean(t) for t in place.split("+")]
        offset = sum(int(t, 16) for t in terms if re.match(r"-?0x", t))
        bases = [t for t in terms if not re.match(r"-?0x", t)]
        if f[0].endswith("L"):
            at = "LOCAL+(u32)(%s)" % "+".join(["%du" % (offset & 0xFFFFFFFF)] + list(map(register, bases)))
        else:
            wide = lambda t: pair(register(t), register(t, 1) if t != "RZ" else "0u")
            at = "(u8*)(%s)" % "+".join(["(u64)%dll" % offset] + list(map(wide, bases)))
        small = {"U8": "u8", "S8": "signed char", "U16": "u16", "S16": "short"}
        kind = next((small[t] for t in f if t in small), None)
        if kind:
            if store:
                return "{%s x=(%s)%s; __builtin_memcpy(%s,&x,sizeof x);}" % (kind, kind, self.src(value), at)
            args = (kind, at, out(value))
            return "{%s x; __builtin_memcpy(&x,%s,sizeof x); %s=(u32)(i32)x;}" % args
        words = 4 if "128" in f else 2 if "64" in f else 1
        code = "{u8*p=%s; u32 x[%d];" % (at, words)
        if store:
            code += "".join("x[%d]=%s;" % (k, register(value, k)) for k in range(words))
            return code + "__builtin_memcpy(p,x,sizeof x);}"
        code += "__builtin_memcpy(x,p,sizeof x);"
        return code + "".join("%s=x[%d];" % (out(value, k), k) for k in range(words)) + "}"

    # control

    def go(self, target):
        self.targets.add(target)
        return "goto A_%x;" % target

    def bra(self, _a, _f, _o, rest):
        target = self.labels[re.search(r"`\(([^)]+)\)", rest).group(1)]
        condition = re.match(r"(!?U?P\d+)\s*,", rest.strip())
        return ("if(%s) " % predicate(condition.group(1)) if condition else "") + self.go(target)

    def brx(self, address, _f, _o, rest):
        found = re.match(r"(U?R\d+)\s+(-?0x[0-9a-f]+)", rest)
        base = int(found.group(2), 16) + address + 16
        return "{pc=(u32)(%s+%d); goto INDIRECT;}" % (register(found.group(1)), base)

    def call(self, address, _f, _o, rest):
        self.returns.add(address + 16)
        return self.go(self.labels[re.search(r"`\(([^)]+)\)", rest).group(1)])

    def ret(self, _a, f, _o, rest):
        return "{pc=%s; goto INDIRECT;}" % register(rest.split()[0])


PRELUDE = r"""// Generated by translate.py from the machine code of ENTRY.
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef unsigned __int128 u128;
static u64 total;
static u64 r64(u32 a, u32 b) { return (u64)b << 32 | a; }
static float u2f(u32 x) { float f; memcpy(&f, &x, 4); return f; }
static u32 f2u(float f) { u32 x; memcpy(&x, &f, 4); return x; }
static inline __attribute__((always_inline)) u32 lop3(u32 a, u32 b, u32 c, int l) {
    u32 r = 0;
    if (l & 1) r |= ~a & ~b & ~c;
    if (l & 2) r |= ~a & ~b & c;
    if (l & 4) r |= ~a & b & ~c;
    if (l & 8) r |= ~a & b & c;
    if (l & 16) r |= a & ~b & ~c;
    if (l & 32) r |= a & ~b & c;
    if (l & 64) r |= a & b & ~c;
    if (l & 128) r |= a & b & c;
    return r;
}
static u64 shl64(u64 x, u32 n) { return n >= 64 ? 0 : x << n; }
static u64 shr64(u64 x, u32 n) { return n >= 64 ? 0 : x >> n; }
static u64 sar64(u64 x, u32 n) { return (u64)((i64)x >> (n >= 64 ? 63 : n)); }
static u32 prmt(u32 a, u32 s, u32 c) {
    u64 x = (u64)c << 32 | a;
    u32 r = 0;
    for (int i = 0; i < 4; i++) {
        u32 k = s >> (4 * i) & 15, b = (u32)(x >> (8 * (k & 7))) & 255;
        if (k & 8) b = b & 128 ? 255 : 0;
        r |= b << (8 * i);
    }
    return r;
}
static float i2f(u64 x, int up) {
    float f = (float)x;
    return up && (u128)f < (u128)x ? nextafterf(f, INFINITY) : f;
}
static u64 f2i(float f, int bits) {
    if (isnan(f) || f <= 0) return 0;
    if (f >= ldexpf(1, bits)) return bits == 64 ? ~0ull : 0xffffffffull;
    return (u64)f;
}
static float ffma(float a, float b, float c, int mode) {
    if (!mode) return fmaf(a, b, c);
    int before = fegetround();
    fesetround(mode);
    volatile float x = a, y = b, z = c, r = fmaf(x, y, z);
    fesetround(before);
    return r;
}
"""


def translate(nvdisasm, path, entry, file):
    found = sections(path)
    code, labels, tables = instructions(nvdisasm, path, entry)
    if not code:
        raise Unknown("no kernel " + entry)
    init = found.get(".nv.global.init", (b"", -1))
    globals_ = {n: value for n, section, value in symbols(found) if section == init[1]}
    t = Translator(labels, globals_)
    body = []
    for address, text in code:
        guard = re.match(r"@(!?U?P[\dT]+)\s+(.*)$", text)
        condition = "if(%s) " % predicate(guard.group(1)) if guard else ""
        body.append((address, condition, t.one(address, guard.group(2) if guard else text)))
    # Constant banks 2 to 4 hold jump tables, constants and addresses of globals.
    banks = {2: ".nv.constant2." + entry, 3: ".nv.constant3", 4: ".nv.constant4"}
    banks = {bank: bytearray(found[name][0]) for bank, name in banks.items() if name in found}
    indirect = t.returns | tables
    t.targets |= indirect
    array = lambda data: ",".join(map(str, data)) or "0"
    lines = [PRELUDE.replace("ENTRY", entry)]
    lines.append("static const u8 GLOBALS[]={%s};" % array(init[0]))
    for bank, data in banks.items():
        lines.append("static u8 BANK%d[]={%s};" % (bank, array(data)))
    relocations = []
    if ".rela.nv.constant4" in found:
        all_symbols = list(symbols(found))
        table = found[".rela.nv.constant4"][0]
        for at in range(0, len(table), 24):
            offset, info, add = struct.unpack_from("<QQq", table, at)
            _, section, value = all_symbols[info >> 32]
            if section == init[1]:
                relocations.append((offset, value + add))
    lines.append("__attribute__((constructor)) static void relocate(void) {")
    for offset, value in relocations:
        lines.append("{u64 a=(u64)(GLOBALS+%d); memcpy(BANK4+%d,&a,8);}" % (value, offset))
    lines.append("}")
    cases = "".join("case %d: memcpy(&x,BANK%d+at,4); break;" % (b, b) for b in banks)
    lines.append("#define constant(bank, at) constant_of(BANK0, bank, at)")
    lines.append("static u32 constant_of(const u8*BANK0, u32 bank, u32 at) { u32 x=0;")
    lines.append("switch(bank) {case 0: memcpy(&x,BANK0+at,4); break; %s} return x; }" % cases)
    lines.append(
        "void sass_thread(const void*params,u32 len,u32 TID,u32 CTAID,u32 NTID) {\n"
        "u8 BANK0[4096]={0}; u8 LOCAL[%d] __attribute__((aligned(64)));\n"
        "u32 R[260]={0},UR[72]={0},NOWHERE,pc=0; u8 P[8]={0},UP[8]={0},NOWHERE_P; u64 N=0;\n"
        "(void)NOWHERE; (void)NOWHERE_P; (void)UP; (void)pc;\n"
        "memcpy(BANK0+%d,params,len); memcpy(BANK0,&NTID,4);\n"
        "{u64 a=(u64)LOCAL; memcpy(BANK0+%d,&a,8); u32 n=sizeof LOCAL-64; memcpy(BANK0+%d,&n,4);\n"
        "u64 p=(u64)(BANK0+%d); memcpy(BANK0+%d,&p,8);}"
        % (LOCAL_BYTES, PARAMS, LOCAL_BASE, STACK_BYTES, PARAMS, PARAM_ADDRESS)
    )
    lines.append("goto A_0;\nINDIRECT: switch(pc) {")
    t.targets.add(0)
    lines += ["case %d: goto A_%x;" % (a, a) for a in sorted(indirect)]
    lines.append("default: __builtin_trap(); }")
    # Instructions are counted a run at a time: up to the next jump or target.
    lengths, start = {}, None
    for address, _, text in body:
        if start is None or address in t.targets:
            start = address
            lengths[start] = 0
        lengths[start] += 1
        if "goto" in text:
            start = None
    for address, condition, text in body:
        label = "A_%x: " % address if address in t.targets else ""
        count = "N+=%d; " % lengths[address] if address in lengths else ""
        lines.append("%s%s%s{%s}" % (label, count, condition, text))
    lines.append("DONE: __atomic_fetch_add(&total,N,__ATOMIC_RELAXED); }")
    lines.append("u64 sass_count(void) { return __atomic_load_n(&total,__ATOMIC_RELAXED); }")
    with open(file, "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        translate(*sys.argv[1:5])
    except Unknown as error:
        sys.exit("an instruction that is not covered: %s" % error)
