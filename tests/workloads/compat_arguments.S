/* A 32-bit program: calls that take other arguments than in 64-bit programs, all registers full. gcc -m32 -nostdlib -static */
	.section .rodata
calls:	.long 90, 82, 180, 181, 225, 250, 314, 324, 0	/* mmap select pread64 pwrite64 readahead fadvise64 ... */
	.text
	.globl _start
_start:
	mov $calls, %esp
1:	pop %eax
	test %eax, %eax
	jz 2f
	mov $901, %ebx
	mov $902, %ecx
	mov $3, %edx
	mov $904, %esi
	mov $905, %edi
	mov $906, %ebp
	int $0x80
	jmp 1b
2:	mov $1, %eax
	xor %ebx, %ebx
	int $0x80
	.section .note.GNU-stack,"",@progbits
