"""The operators that networks from files may be made of, by their full names: they compute, and no more.

None of them touches files, processes, Python or the network, and none makes objects of other libraries. An
operator that is not here is refused, however harmless: what is known can be listed, what is not cannot. Inner
parts of others (_reshape_alias, _cummax_helper) are not here either: some believe the sizes that they are
given, and read or write beside the numbers.
"""

from __future__ import annotations

_POINTWISE = """
__and__ __iand__ __ilshift__ __ior__ __irshift__ __ixor__ __lshift__ __or__ __rshift__ __xor__ _conj
_conj_physical _neg_view abs abs_ absolute absolute_ acos acos_ acosh acosh_ add add_ addcdiv addcdiv_
addcmul addcmul_ angle arccos arccos_ arccosh arccosh_ arcsin arcsin_ arcsinh arcsinh_ arctan arctan2
arctan2_ arctan_ arctanh arctanh_ asin asin_ asinh asinh_ atan atan2 atan2_ atan_ atanh atanh_ bitwise_and
bitwise_and_ bitwise_left_shift bitwise_left_shift_ bitwise_not bitwise_not_ bitwise_or bitwise_or_
bitwise_right_shift bitwise_right_shift_ bitwise_xor bitwise_xor_ ceil ceil_ celu celu_ clamp clamp_
clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ clone complex conj conj_physical conj_physical_ copysign
copysign_ cos cos_ cosh cosh_ deg2rad deg2rad_ digamma digamma_ div div_ divide divide_ elu elu_ eq eq_ equal
erf erf_ erfc erfc_ erfinv erfinv_ exp exp2 exp2_ exp_ expm1 expm1_ fix fix_ float_power float_power_ floor
floor_ floor_divide floor_divide_ fmax fmin fmod fmod_ frac frac_ frexp gcd gcd_ ge ge_ gelu gelu_ glu
greater greater_ greater_equal greater_equal_ gt gt_ hardshrink hardsigmoid hardsigmoid_ hardswish hardswish_
hardtanh hardtanh_ heaviside heaviside_ hypot hypot_ i0 i0_ igamma igamma_ igammac igammac_ imag isclose
isfinite isinf isnan isneginf isposinf isreal lcm lcm_ ldexp ldexp_ le le_ leaky_relu leaky_relu_ lerp lerp_
less less_ less_equal less_equal_ lgamma lgamma_ log log10 log10_ log1p log1p_ log2 log2_ log_ log_sigmoid
logaddexp logaddexp2 logical_and logical_and_ logical_not logical_not_ logical_or logical_or_ logical_xor
logical_xor_ logit logit_ lt lt_ masked_fill masked_fill_ maximum minimum mish mish_ mul mul_ multiply
multiply_ mvlgamma mvlgamma_ nan_to_num nan_to_num_ ne ne_ neg neg_ negative negative_ nextafter nextafter_
not_equal not_equal_ polar polygamma polygamma_ positive pow pow_ prelu rad2deg rad2deg_ real reciprocal
reciprocal_ relu relu6 relu6_ relu_ remainder remainder_ resolve_conj resolve_neg round round_ rrelu rrelu_
rsqrt rsqrt_ rsub selu selu_ sgn sgn_ sigmoid sigmoid_ sign sign_ signbit silu silu_ sin sin_ sinc sinc_ sinh
sinh_ softplus softshrink special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0
special_bessel_y1 special_chebyshev_polynomial_t special_chebyshev_polynomial_u
special_chebyshev_polynomial_v special_chebyshev_polynomial_w special_digamma special_entr special_erf
special_erfc special_erfcx special_erfinv special_exp2 special_expit special_expm1 special_gammainc
special_gammaincc special_gammaln special_hermite_polynomial_h special_hermite_polynomial_he special_i0
special_i0e special_i1 special_i1e special_laguerre_polynomial_l special_legendre_polynomial_p special_log1p
special_log_ndtr special_logit special_modified_bessel_i0 special_modified_bessel_i1
special_modified_bessel_k0 special_modified_bessel_k1 special_ndtr special_ndtri special_psi special_round
special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t
special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v
special_shifted_chebyshev_polynomial_w special_sinc special_spherical_bessel_j0 special_xlog1py special_xlogy
special_zeta sqrt sqrt_ square square_ sub sub_ subtract subtract_ tan tan_ tanh tanh_ threshold threshold_
true_divide true_divide_ trunc trunc_ where xlogy xlogy_
"""

_LAYERS = """
_convolution _convolution_mode _native_multi_head_attention _transformer_encoder_layer_fwd
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_lanczos2d_aa _upsample_nearest_exact1d
_upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d affine_grid_generator
alpha_dropout alpha_dropout_ avg_pool1d avg_pool2d avg_pool3d batch_norm channel_shuffle col2im
constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution
cosine_similarity dropout dropout_ embedding feature_alpha_dropout feature_alpha_dropout_ feature_dropout
feature_dropout_ fractional_max_pool2d fractional_max_pool3d grid_sampler grid_sampler_2d grid_sampler_3d
group_norm gru gru_cell im2col instance_norm layer_norm linear log_softmax lstm lstm_cell max_pool1d
max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool2d
max_unpool3d mse_loss pad pairwise_distance pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d rms_norm rnn_relu rnn_tanh
scaled_dot_product_attention softmax special_log_softmax special_softmax upsample_bicubic2d
upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_trilinear3d
"""

_SHAPES = """
adjoint alias alias_copy argwhere as_strided as_strided_ as_strided_copy as_strided_scatter atleast_1d
atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to cat chunk concat concatenate contiguous copy
copy_ detach detach_ diag diag_embed diagflat diagonal diagonal_scatter dsplit dstack expand expand_as
expand_copy fill fill_ fill_diagonal_ flatten flip fliplr flipud gather hsplit hstack index index_add
index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_ index_select lift_fresh mH mT
masked_scatter masked_scatter_ masked_select matrix_H meshgrid moveaxis movedim narrow narrow_copy nonzero
numpy_T permute permute_copy ravel repeat repeat_interleave reshape reshape_as resize_as_ roll rot90 scatter
scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ select select_copy select_scatter slice
slice_copy slice_scatter split split_with_sizes squeeze squeeze_ squeeze_copy stack swapaxes swapaxes_
swapdims swapdims_ t t_ t_copy take take_along_dim tensor_split tile transpose transpose_ transpose_copy tril
tril_ triu triu_ unbind unflatten unfold unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze
unsqueeze_ unsqueeze_copy view view_as view_as_complex view_as_real view_copy vsplit vstack zero zero_
"""

_CREATION = """
_cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short _shape_as_tensor
arange as_tensor bartlett_window bernoulli bernoulli_ blackman_window cpu empty empty_like empty_permuted
empty_strided eye full full_like hamming_window hann_window kaiser_window linspace logspace new_empty
new_empty_strided new_full new_ones new_zeros normal_ one_hot ones ones_like rand rand_like randn randn_like
range scalar_tensor tensor to tril_indices triu_indices type_as uniform_ zeros zeros_like
"""

_REDUCTIONS = """
_unique2 addbmm addbmm_ addmm addmm_ addmv addmv_ addr addr_ all allclose amax amin aminmax any argmax argmin
argsort baddbmm baddbmm_ bilinear bmm bucketize cdist chain_matmul count_nonzero cross cummax cummin cumprod
cumprod_ cumsum cumsum_ diff dist dot einsum fft_fft fft_fft2 fft_fftfreq fft_fftn fft_fftshift fft_hfft
fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2
fft_rfftfreq fft_rfftn frobenius_norm ger inner inverse kron kthvalue linalg_cross linalg_det linalg_inv
linalg_inv_ex linalg_matmul linalg_matrix_norm linalg_norm linalg_vecdot linalg_vector_norm logcumsumexp
logsumexp matmul max mean median min mm mode msort mv nanmean nanmedian nansum norm norm_except_dim outer
prod quantile renorm renorm_ searchsorted sort special_logsumexp std std_mean sum tensordot topk trace
unique_consecutive unique_dim var var_mean vdot
"""

_QUESTIONS = """
_infer_size _size_if_not_equal can_cast dim element_size get_autocast_dtype get_device
is_autocast_cpu_enabled is_autocast_enabled is_complex is_conj is_contiguous is_floating_point
is_grad_enabled is_inference is_leaf is_neg is_nonzero is_pinned is_same_size is_scripting is_signed isin
item numel promote_types requires_grad_ result_type set_grad_enabled size storage_offset stride
sym_is_contiguous sym_numel sym_size sym_storage_offset sym_stride warn
"""

# Numbers, lists, dictionaries and texts of TorchScript.
_VALUES = """
Bool Complex ComplexImplicit Delete Float FloatImplicit Int IntImplicit ScalarImplicit Size __contains__
__derive_index __getitem__ __interpolate __is__ __isnot__ __not__ __range_length __upsample
__upsample_bilinear __upsample_nearest _set_item _unwrap_optional append bin broadcast_shapes chr clear count
degrees device dict divmod endswith extend fabs factorial find floordiv format gamma get hash hex index
insert isalpha isdigit islower isupper items join keys len list lower lstrip mathremainder modf oct ord
percentFormat pop popitem radians remove replace reverse rstrip setdefault sorted split startswith str strip
update upper values
"""

_STEPS = """
CallFunction CallMethod Constant ConstantChunk CreateObject DictConstruct Enter EnumName EnumValue Exit
GetAttr If ListConstruct ListUnpack Loop ModuleContainerIndex NumToTensor RaiseException SetAttr StringIndex
TupleConstruct TupleIndex TupleSlice TupleUnpack Uninitialized abs data device dtype is_cpu is_cuda is_meta
is_mkldnn is_mps is_nested is_quantized is_sparse is_vulkan is_xla is_xpu isinstance itemsize layout max min
nbytes rangelist requires_grad tolist type unchecked_cast unchecked_unwrap_optional
"""

_DECOMPOSED = """
broadcast_in_dim clone convert_element_type div iota squeeze sum transpose view_of
"""

# What torch.export makes of layers.
_INNER = """
_adaptive_avg_pool2d _adaptive_avg_pool3d _assert_async _assert_scalar _assert_tensor_metadata
_local_scalar_dense _log_softmax _native_batch_norm_legit _native_batch_norm_legit_functional
_native_batch_norm_legit_no_training _prelu_kernel _safe_softmax _scaled_dot_product_flash_attention_for_cpu
_softmax _to_copy _unsafe_view _weight_norm_interface cudnn_batch_norm lift_fresh_copy log_sigmoid_forward
native_batch_norm native_channel_shuffle native_dropout native_group_norm native_layer_norm
sym_constrain_range sym_constrain_range_for_size
"""

_FAMILIES = {
    "aten": (_POINTWISE, _LAYERS, _SHAPES, _CREATION, _REDUCTIONS, _QUESTIONS, _VALUES),
    "prim": (_STEPS,),
    "prims": (_DECOMPOSED,),
}

PURE = frozenset(
    f"{library}::{name}" for library, texts in _FAMILIES.items() for text in texts for name in text.split()
)
EXPORTED = PURE | {f"aten::{name}" for name in _INNER.split()}
