/* A 32-bit program: 7 opens of a path that is not there, 9 getppid, exit_group(5). gcc -m32 -nostdlib -static */
	.section .rodata
path:	.asciz "/nowhere/compat"
	.text
	.globl _start
_start:
	mov $7, %esi
1:	mov $5, %eax
	mov $path, %ebx
	xor %ecx, %ecx
	xor %edx, %edx
	int $0x80
	dec %esi
	jnz 1b
	mov $9, %esi
2:	mov $64, %eax
	int $0x80
	dec %esi
	jnz 2b
	mov $252, %eax
	mov $5, %ebx
	int $0x80
	.section .note.GNU-stack,"",@progbits
