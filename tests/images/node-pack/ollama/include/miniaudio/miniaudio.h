// In place of miniaudio, which upstream keeps in a folder that no Go module can have. Nothing is decoded: tests bring no sound.
#pragma once

#include <stddef.h>

#define MA_SUCCESS 0
#define ma_format_f32 5

typedef unsigned long long ma_uint64;
typedef int ma_result;
struct ma_decoder_config {};
struct ma_decoder {};

static ma_decoder_config ma_decoder_config_init(int, unsigned, unsigned) { return {}; }
static ma_result ma_decoder_init_memory(const void *, size_t, const ma_decoder_config *, ma_decoder *) { return -1; }
static ma_result ma_decoder_get_length_in_pcm_frames(ma_decoder *, ma_uint64 *) { return -1; }
static ma_result ma_decoder_read_pcm_frames(ma_decoder *, void *, ma_uint64, ma_uint64 *) { return -1; }
static ma_result ma_decoder_uninit(ma_decoder *) { return -1; }
