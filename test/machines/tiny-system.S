/*
 * An operating system in one sector, for tests of computers: it boots in no time from a disk by BIOS, and does what it is
 * told on its serial console (COM1), a letter at a time:
 *     p powers off, r resets, x tells QEMU of a panic, f writes without end, ! writes to its disk; anything else comes back.
 * Each press of the power button is told; the second one powers off. On COM2, which stands for the guest agent's port,
 * letters come back in the other case, if there is one.
 */
    .code16
    .globl _start

    .set COM1, 0x3f8
    .set COM2, 0x2f8
    .set PM1_STATUS, 0x600 /* where SeaBIOS puts ACPI's registers */
    .set PM1_ENABLE, 0x602
    .set PM1_CONTROL, 0x604
    .set POWER_BUTTON, 0x100
    .set SLEEP_ENABLE, 0x2000 /* the type of power off is 0 */
    .set RESET_CONTROL, 0xcf9
    .set PVPANIC, 0x505
    .set TIMER, 8 /* interrupt */
    .set INTERRUPTS, 0x20 /* their controller */

_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    xorw %di, %di /* presses of the button */
    movw $tick, (4 * TIMER) /* the BIOS's own would take what comes on a serial console of its own */
    movw %ax, (4 * TIMER + 2)
    movw $PM1_ENABLE, %dx
    movw $POWER_BUTTON, %ax
    outw %ax, %dx
    movw $up, %si
    call say

round:
    movw $0x200, %bp
poll:
    movw $(COM1 + 5), %dx
    inb %dx, %al
    testb $1, %al
    jnz key
    movw $(COM2 + 5), %dx
    inb %dx, %al
    cmpb $0xff, %al
    je no_port
    testb $1, %al
    jnz port
no_port:
    movw $PM1_STATUS, %dx
    inw %dx, %ax
    testw $POWER_BUTTON, %ax
    jnz button
    decw %bp
    jnz poll
    sti /* the timer wakes us */
    hlt
    cli
    jmp round

key:
    movw $COM1, %dx
    inb %dx, %al
    cmpb $'p', %al
    je power_off
    cmpb $'r', %al
    je reset
    cmpb $'x', %al
    je panic
    cmpb $'f', %al
    je flood
    cmpb $'!', %al
    je write
    movw $COM1, %bx
    call put
    jmp round

port:
    movw $COM2, %dx
    inb %dx, %al
    xorb $0x20, %al
    movw $COM2, %bx
    call put
    jmp round

button:
    movw $POWER_BUTTON, %ax
    outw %ax, %dx
    movw $pressed, %si
    call say
    incw %di
    cmpw $2, %di
    jne round

power_off:
    movw $PM1_CONTROL, %dx
    movw $SLEEP_ENABLE, %ax
    outw %ax, %dx
    jmp round

reset:
    movw $RESET_CONTROL, %dx
    movb $6, %al
    outb %al, %dx
    jmp round

panic:
    movw $PVPANIC, %dx
    movb $1, %al
    outb %al, %dx
    jmp round

flood:
    movb $'f', %al
    movw $COM1, %bx
    call put
    jmp flood

write:
    movw $sectors, %si
    movw $0x4300, %ax
    movb $0x80, %dl
    int $0x13
    movw $failed, %si
    jc told
    movw $wrote, %si
told:
    call say
    jmp round

/* Writes AL to the port at BX. */
put:
    movb %al, %ah
    movw %bx, %dx
    addw $5, %dx
full:
    inb %dx, %al
    testb $0x20, %al
    jz full
    movb %ah, %al
    movw %bx, %dx
    outb %al, %dx
    ret

/* Writes the text at SI to the console. */
say:
    movw $COM1, %bx
next:
    lodsb
    testb %al, %al
    jz said
    call put
    jmp next
said:
    ret

tick:
    pushw %ax
    movb $0x20, %al
    outb %al, $INTERRUPTS
    popw %ax
    iretw

up: .asciz "up\r\n"
pressed: .asciz "the power button\r\n"
wrote: .asciz "wrote\r\n"
failed: .asciz "no write\r\n"

/* One, from here to what is 1 GiB behind the disk's beginning (the BIOS's extended write). */
    .balign 4
sectors:
    .byte 16, 0
    .word 1
    .word 0x7c00, 0
    .quad 0x200000

    .org 510
    .word 0xaa55
