// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A QEMU TCG plugin that counts the guest's instructions by address, between two marks that the guest executes.
 * Every translated block is counted each time it runs, so that the counts are exact, and code that runs with
 * interrupts off is seen like any other.
 *
 * Argument: out=PREFIX. The window of number N, from 0, is written to PREFIX.N, a line for each block that ran:
 * its address in hexadecimal, its instructions, how often it ran.
 *
 * The guest must have one processor.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The part of QEMU's plugin interface that is used here. Debian packages no header for it. Functions have kept
 * their form since QEMU 4.2, but for qemu_plugin_insn_data, whose new form came with interface version 3.
 */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

struct qemu_info;

enum { CB_NO_REGS };

typedef void (*execute_cb)(unsigned int cpu, void *data);
typedef void (*translate_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_cb cb);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, execute_cb cb, int flags, void *data);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, execute_cb cb, int flags,
						   void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
#if API_VERSION >= 3
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t length);
#else
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
#endif

#define PUBLIC __attribute__((visibility("default")))

/* API_VERSION is given to the compiler: QEMU refuses plugins that are too old and too new. */
PUBLIC int qemu_plugin_version = API_VERSION;

/* nopl 0x5eed0001(%rax) and nopl 0x5eed0002(%rax): see the guest's program. */
#define MARK_LENGTH 7
static const unsigned char mark_begin[MARK_LENGTH] = { 0x0f, 0x1f, 0x80, 0x01, 0x00, 0xed, 0x5e };
static const unsigned char mark_end[MARK_LENGTH] = { 0x0f, 0x1f, 0x80, 0x02, 0x00, 0xed, 0x5e };

struct block {
	struct block *next;
	uint64_t address;
	uint64_t instructions;
	uint64_t runs;
};

/* A block that is translated again keeps its count. Blocks live as long as QEMU. */
#define BUCKETS 65536
static struct block *buckets[BUCKETS];

static const char *prefix;
static unsigned int windows;

static struct block *find_block(uint64_t address, uint64_t instructions)
{
	struct block **bucket = &buckets[(address ^ address >> 16) % BUCKETS];
	struct block *block;

	for (block = *bucket; block; block = block->next) {
		if (block->address == address && block->instructions == instructions)
			return block;
	}
	block = calloc(1, sizeof(*block));
	if (!block)
		abort();
	block->address = address;
	block->instructions = instructions;
	block->next = *bucket;
	*bucket = block;
	return block;
}

static void ran(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	block->runs++;
}

static void window_begins(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (size_t at = 0; at < BUCKETS; at++) {
		for (struct block *block = buckets[at]; block; block = block->next)
			block->runs = 0;
	}
}

static void window_ends(unsigned int cpu, void *data)
{
	char path[4096];
	FILE *file;

	(void)cpu;
	(void)data;
	snprintf(path, sizeof(path), "%s.%u", prefix, windows++);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	for (size_t at = 0; at < BUCKETS; at++) {
		for (struct block *block = buckets[at]; block; block = block->next) {
			if (block->runs)
				fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->address,
					block->instructions, block->runs);
		}
	}
	fclose(file);
}

static void copy_bytes(const struct qemu_plugin_insn *insn, unsigned char *to)
{
#if API_VERSION >= 3
	qemu_plugin_insn_data(insn, to, MARK_LENGTH);
#else
	memcpy(to, qemu_plugin_insn_data(insn), MARK_LENGTH);
#endif
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t instructions = qemu_plugin_tb_n_insns(tb);
	struct block *block = find_block(qemu_plugin_tb_vaddr(tb), instructions);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, CB_NO_REGS, block);
	for (size_t at = 0; at < instructions; at++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, at);
		unsigned char bytes[MARK_LENGTH];

		if (qemu_plugin_insn_size(insn) != MARK_LENGTH)
			continue;
		copy_bytes(insn, bytes);
		if (!memcmp(bytes, mark_begin, MARK_LENGTH))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, window_begins, CB_NO_REGS, NULL);
		else if (!memcmp(bytes, mark_end, MARK_LENGTH))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, window_ends, CB_NO_REGS, NULL);
	}
}

PUBLIC int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	for (int at = 0; at < argc; at++) {
		if (!strncmp(argv[at], "out=", 4))
			prefix = strdup(argv[at] + 4);
	}
	if (!prefix) {
		fprintf(stderr, "the profiling plugin needs out=PREFIX\n");
		return -1;
	}
	(void)info;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
